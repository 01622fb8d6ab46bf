"""Run the main job on real servers on loopback: `vectorshift sandbox`."""
