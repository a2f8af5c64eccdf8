"""The learning rate of every update, without torch.

`sequence` has ``rates``, which gives them all, and ``Schedule``, which takes one update at a time; `plateau` has
``Plateau``, for ReduceLROnPlateau, which looks at the loss. A schedule is one function in `decay`, `cosine` or `cycle`
and one line in the table of `composition`. The names, the defaults and the order of operations are those of
torch.optim.lr_scheduler, so that the numbers are torch's, bit for bit.
"""
