"""The mixing desk, a component that forecasts and draws in the browser, and what it is sent."""
