// Package objects opens the place where the bytes of objects lie, by the
// place of the state that names them: memory, files in the state's folder, or
// tables beside the state in PostgreSQL, which several processes share.
//
// The files, from the outside in: objects.go (open, list), postgres.go (the
// driver), write.go and read.go (bytes in and out), pool.go (connections).
package objects
