"""Images of no class: far from everything else in the set, judged by how far its images usually are."""
