"""What to score next: objectives, fronts, strategies and executors."""
