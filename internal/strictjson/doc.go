// Package strictjson reads the JSON objects that customers send, strictly
// (RFC 8259): a name that is not known, a value of another type, a name that
// stands twice, bytes that are not UTF-8 and half a surrogate pair are all
// faults, so that nothing is guessed and every string is given back exactly as
// it came. Faults say which field is wrong, what was found there and what would
// be right.
//
// What it reads are flat objects: the fields are strings, IDs, booleans,
// integers, numbers and arrays of strings. It holds no more than the values
// that it was asked for; what is skipped costs no memory but for the names that
// must not stand twice.
package strictjson
