"""Tests of the dashboard's JavaScript, in Node.js."""
