"""What is learned from calibration text: token windows, Fisher factors and gradients."""
