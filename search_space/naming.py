"""Which names inputs and nodes may have: a neck becomes a module whose parts are called by them."""

import keyword
import re

from search_space.errors import InvalidArchitecture

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OF_A_MODULE = """
    T_destination add_module apply architecture bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule
    half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters of
    parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad
"""
RESERVED = frozenset(_OF_A_MODULE.split())
"""Attributes that a module has of its own."""


def check_name(name: object) -> None:
    """Raise `InvalidArchitecture` unless an input or a node can be called `name`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArchitecture(
            f"{name!r} cannot name a node: use letters, digits and _, with a letter in front"
        )
    if name in RESERVED:
        raise InvalidArchitecture(
            f"{name!r} cannot name a node: modules have such an attribute; take another, as '{name}_0'"
        )
    if keyword.iskeyword(name):
        raise InvalidArchitecture(
            f"{name!r} cannot name a node: it is a keyword of Python; take another, as '{name}_0'"
        )
