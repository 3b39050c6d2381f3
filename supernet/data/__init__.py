"""Detection datasets: COCO-format folders from disk, and generators that write such folders."""
