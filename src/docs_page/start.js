// No validator: that would be somebody else's server. No credential is kept in the browser's storage.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: "none",
  persistAuthorization: false,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  filter: true,
});
