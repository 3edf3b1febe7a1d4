// Package control has one method for each thing that a customer may ask, and
// brings together what the engines below do: conferences decide, the ledger
// remembers, the media plane sounds. REST, SIP and the console are thin edges
// around it.
package control
