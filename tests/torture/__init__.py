"""What Prunescope has to bear: many at once, kills at any moment, full disks, bad files, strangers."""
