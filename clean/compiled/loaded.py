"""Importing this loads the machine code of all kernels: for the process that workers are forks of.

The one module that works when it is imported, because a server of forks can be told nothing else.
"""

import gc

from clean.compiled.warm import warm

warm()
gc.freeze()  # what is there stays: no collection looks at it, and forks go on sharing its pages
