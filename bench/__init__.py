"""Measurements that README, docs and notes quote; each can be run again: `python -m bench NAME --help`."""
