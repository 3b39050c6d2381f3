"""Tasks, one file each: the head, the loss and the metric that a neck is trained and scored with."""
