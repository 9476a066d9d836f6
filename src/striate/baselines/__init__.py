"""Baselines: what a net has to beat, fitted without training by steps, on pixels or on the features of a net.

`registry.BASELINES` names them. `fitting.fit_baseline` makes a `Classifier` of one, `fitting.fit_candidates` of several
on the same features, `registry.fit_head` a head from plain matrices.
"""
