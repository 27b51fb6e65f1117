"""Improved dense trajectories (iDT) with Fisher vectors and linear SVMs: scores of videos without any network.

H. Wang, C. Schmid. Action Recognition with Improved Trajectories, ICCV 2013. Where the paper leaves a value open, it is
that of the authors' released code.

    settings.py     every setting, with the paper's value
    motion.py       flow, and flow without the camera's part
    tracks.py       points sampled densely, followed, and thrown away where they say nothing
    descriptors.py  histograms in the tube around a track
    fisher.py       the vector of a clip
    features.py     tracks of a video, and of many videos, kept on disk
    classify.py     from two lists of videos to scores
    scores.py       scores in files, of this or another program

A clip shorter than `length` + 1 frames has no track, nor has one in which nothing moves: its vector is zero, its scores
are the SVMs' intercepts, and the report names it.

Departures from the paper: no human detector for the camera's motion (its results without one are slightly lower); the
squared hinge loss; the intercept is regularised. Those of the flow, the descriptors and the mixtures stand in their
files.
"""
