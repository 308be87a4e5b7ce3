// Shows the gateway's own OpenAPI document; nothing is asked of another host.
window.ui = SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  // The badge would send the document to a validator on the Internet.
  validatorUrl: null,
  // Credentials stay in the page and are gone when it is closed.
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
});
