"""Baselines: what a net has to beat, fitted without training by steps, on pixels or on the features of a net.

`registry.BASELINES` names them. `candidates.fit_baseline` makes a `Classifier` of one, `candidates.fit_candidates` of
several on the same features, `registry.fit_head` a head from plain matrices.
"""
