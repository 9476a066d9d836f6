"""What values look like in a notebook, and how far work is there: plain HTML, no notebook need be installed."""
