// Package sealed keeps a small secret in a file: encrypted and authenticated
// with a key that lies elsewhere (AES-256-GCM, NIST SP 800-38D), replaced whole
// or not at all.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a sealed file.
type File struct {
	path string
	aead cipher.AEAD
	use  string
}

// Limits in bytes of a key file, and of what a sealed file may hold.
const (
	minKey  = 32
	maxKey  = 4096
	maxFile = 64 << 20
)

// ErrForeign says that a file was not sealed with this key for this use, or was
// changed since.
var ErrForeign = errors.New("the file was sealed with another key, or was changed")

// Open prepares the file at path with the key in keyFile, which must be long
// enough and nobody else's to read. The use is bound to what is sealed: what was
// written for one use does not open for another. The file need not exist.
func Open(path, keyFile, use string) (*File, error) {
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "mantle sealed file 1 "+use, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", path, err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &File{path, aead, use}, nil
}

func readKey(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key %s can be read by others (mode %04o): chmod 600 it, and make a new one if it was", name, info.Mode().Perm())
	}
	key, err := io.ReadAll(io.LimitReader(f, maxKey))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("the key %s has %d bytes, and needs %d of chance: head -c 32 /dev/urandom > %[1]s", name, len(key), minKey)
	}
	return key, nil
}

// Read is what was written last; an error of fs.ErrNotExist says that nothing
// was.
func (f *File) Read() ([]byte, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", f.path, maxFile)
	}
	plain, err := f.aead.Open(nil, nil, text, []byte(f.use))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, ErrForeign)
	}
	return plain, nil
}

// Write replaces what the file holds; after it returns that survives a crash of
// the machine. Only this user may read the file.
func (f *File) Write(plain []byte) (err error) {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	out, err := os.CreateTemp(dir, ".sealed-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(out.Name())
		}
	}()
	_, err = out.Write(f.aead.Seal(nil, nil, plain, []byte(f.use)))
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), f.path)
}

// Remove takes the file away, if it is there.
func (f *File) Remove() error {
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
