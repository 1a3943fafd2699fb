"""Data sets: sources, audit, splits and the pixel cache. Nothing here imports torch.

sources      where images and labels come from, one module for each kind
audit        what is wrong with a data set
split        which image is for training, validation or test
prepare      audit, choose and split a data set; build its pixel cache
pixels       the pixel cache, and small copies of the test images
corruptions  ways to spoil test images
decode       bytes of an image file to pixels
parallel     work on many images at once, in processes
download     files by name, resumed where they broke off
cache_dir    where files are kept between runs
"""
