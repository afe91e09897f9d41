"""Reports by the clock: what the bank and the store say of a workspace, as a message with figures and a chart."""
