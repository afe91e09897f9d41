"""The receivers of messages: mail, Slack and HTTP. The courier calls them; `registry.build` makes them."""
