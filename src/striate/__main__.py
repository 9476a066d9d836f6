"""`python -m striate`: the command line, as `torchrun -m striate` needs it."""

from striate.cli import main

main()
