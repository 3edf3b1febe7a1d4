// Package sqlite is the embedded store: one SQLite file in the data directory,
// in WAL mode with synchronous=FULL, through modernc.org/sqlite (no cgo).
//
// One connection writes, a few read; readers see what has been committed and
// never wait for the writer. The data directory is locked for one process.
// A write that Apply reports as done has been synced to the disk.
package sqlite
