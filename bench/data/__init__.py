"""Data sets: sources, audit, splits and the pixel cache.

spec         what a study says about its data
prepare      audit, choose and split a data set; build its pixel cache
audit        what is wrong with a data set
manifest     what is known of a prepared data set (``dataset.json``)
cache        the pixel cache
split_file   write a split for others, and read it back
thumbnails   small copies of the test images
fetch        downloads
augment      batches of tensors; the only module here that imports torch, for the child process alone
"""
