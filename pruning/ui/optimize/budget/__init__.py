"""The budget slider with its pictures, a component that draws in the browser."""
