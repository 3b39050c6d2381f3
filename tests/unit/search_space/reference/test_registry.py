import pytest

from search_space import reference
from search_space.errors import InvalidArchitecture, LevelOutOfRange, UnknownName

CHANNELS = {3: 64, 4: 96, 5: 128}


def test_names_are_files_and_their_variants() -> None:
    names = reference.names()
    assert {"fpn", "pafpn", "pafpn@paper", "bifpn", "bifpn@d7x", "rev_fp"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "near"),
    [("bifnp", "'bifpn'"), ("pa_fpn", "'pafpn'"), ("bifpn@d9", "'d7'"), ("pafpn@papr", "'paper'")],
)
def test_unknown_name_offers_near_matches(name: str, near: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean .*{near}"):
        reference.build(name, CHANNELS)


def test_unknown_option_offers_near_matches() -> None:
    with pytest.raises(UnknownName, match="neck 'fpn' has no option 'widht'; did you mean 'width'"):
        reference.build("fpn", CHANNELS, widht=64)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"norm": "bacth"}, "unknown norm 'bacth'; did you mean 'batch'"),
        ({"norm": "group:7"}, "7 groups do not divide 256 channels"),
        ({"norm": "group:x"}, "groups are written as in 'group:16'"),
        ({"act": "rellu"}, "unknown act 'rellu'; did you mean .*'relu'"),
        ({"extra": "c6", "more": 1}, "unknown extra 'c6'"),
        ({"levels": (5, 3)}, "a lowest and a highest"),
        ({"levels": "37"}, "a lowest and a highest"),
    ],
)
def test_option_that_cannot_be(option: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArchitecture, match=message):
        reference.build("fpn", CHANNELS, **option)


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("fpn", {"width": 0}, "width must be positive, got 0"),
        ("fpn", {"more": "two"}, "option 'more' is 'two', but its default is 0"),
        ("fpn", {"more": True}, "option 'more' is True"),
        ("bifpn", {"repeats": 0}, "repeats is a number of one or more, got 0"),
        ("rep_gfpn", {"deployed": "yes"}, "option 'deployed' is 'yes'"),
        (
            "rep_gfpn",
            {"widths": (8, 8)},
            r"three levels of the backbone and widths, got \[3, 4, 5\], \(8, 8\)",
        ),
        ("bfp", {"refine_level": 9}, r"refine_level 9 is not one of the levels \[3, 4, 5\]"),
        ("opa_fpn", {"paths": ("top_down", "none")}, "2 paths do not bring something to each"),
        ("opa_fpn", {"paths": ("topdown",)}, "unknown path 'topdown'; did you mean 'top_down'"),
        ("csn", {"width": 24}, "a width that 16 divides"),
        ("nas_fpn", {"levels": (3, 6)}, "nas_fpn has five levels"),
    ],
)
def test_options_of_other_necks(name: str, option: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArchitecture, match=message):
        reference.build(name, CHANNELS, **option)


@pytest.mark.parametrize("name", reference.files())
def test_a_backbone_without_levels_is_refused(name: str) -> None:
    with pytest.raises(InvalidArchitecture):
        reference.build(name, {})


@pytest.mark.parametrize(
    ("channels", "message"),
    [({3: 0, 4: 8}, "0 is no number of channels"), ({3: 8, 400: 8}, "a level is 0 to 16, got 400")],
)
@pytest.mark.parametrize("name", reference.files())
def test_channels_that_no_backbone_has(name: str, channels: dict[int, int], message: str) -> None:
    with pytest.raises(InvalidArchitecture, match=message):
        reference.build(name, channels)


def test_level_below_the_backbones() -> None:
    with pytest.raises(
        LevelOutOfRange, match=r"need level 2 of the backbone, which offers level 3 \(64 chann"
    ):
        reference.build("fpn", CHANNELS, levels=(2, 5))


def test_gap_in_the_backbones_levels() -> None:
    with pytest.raises(LevelOutOfRange, match="need level 4 of the backbone"):
        reference.build("pafpn", {3: 8, 5: 8})


def test_variant_is_a_preset_that_options_override() -> None:
    preset = reference.build("bifpn@d1", CHANNELS)
    assert preset.key == reference.build("bifpn", CHANNELS, width=88, repeats=4).key
    assert (
        reference.build("bifpn@d1", CHANNELS, width=64, repeats=3).key
        == reference.build("bifpn", CHANNELS).key
    )


def test_options_show_the_variants_defaults() -> None:
    shown = {option.name: option.default for option in reference.options("bifpn@d3")}
    assert (shown["width"], shown["repeats"], shown["fusion"]) == (160, 6, "fast")


def test_every_neck_says_what_it_is() -> None:
    assert all(reference.describe(name) for name in reference.names())
