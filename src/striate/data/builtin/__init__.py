"""The sets that have a name: embedded, drawn or downloaded."""
