"""Generated video data sets, each of which only one mechanism can solve."""
