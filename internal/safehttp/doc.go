// Package safehttp makes the one HTTP client that may call URLs which
// customers give.
//
// Whether an address may be reached is decided at dial time, on the very
// address that the connection goes to: what a name resolved to before, or
// resolves to later, does not matter. Only public addresses are reached,
// unless the operator allows others. Redirects are not followed, a proxy in
// the environment is not used, and header, body and time are limited.
package safehttp
