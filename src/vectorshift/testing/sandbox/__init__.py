"""What `vectorshift sandbox` runs: the main job on real servers on loopback."""
