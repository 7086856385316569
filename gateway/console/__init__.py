"""The console: what an operator looks at, under ``/console`` of the control API's listener."""
