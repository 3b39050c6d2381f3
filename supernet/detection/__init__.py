"""Parts of anchor-free detection: head, label assignment, losses, decoding, average precision."""
