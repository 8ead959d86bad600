package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// read parses the kubeconfig in a file. A missing file, or one that is not a regular file (often
// /dev/null), is empty.
func read(path string) (*document, error) {
	doc, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	return doc, nil
}

func load(path string) (*document, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return parse(nil)
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	doc, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w (fix it, or choose another file with --kubeconfig)", err)
	}
	return doc, nil
}

// write replaces the content of a file atomically, so that no process reads half of it. A symbolic
// link stays, and its target is replaced. The new mode is 0600, because the file contains private
// keys. The owner stays.
func write(path string, data []byte) error {
	if err := replace(path, data); err != nil {
		return fmt.Errorf("writing kubeconfig %s: %w", path, err)
	}
	return nil
}

func replace(path string, data []byte) error {
	target, err := follow(path)
	if err != nil {
		return err
	}
	old, err := writable(target)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".kubeconfig-*") // its mode is 0600
	if err != nil {
		return err
	}
	if err := errors.Join(fill(temp, data, old), temp.Close()); err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	err = os.Rename(temp.Name(), target)
	if errors.Is(err, syscall.EBUSY) {
		// The file is itself a mount, as in a container in which only this file is mounted.
		err = overwrite(target, data)
	} else if err == nil {
		return nil
	}
	return errors.Join(err, os.Remove(temp.Name()))
}

// overwrite writes a file in place. Another process may read half of it.
func overwrite(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close())
}

func fill(file *os.File, data []byte, old fs.FileInfo) error {
	if _, err := file.Write(data); err != nil {
		return err
	}
	if old != nil {
		if err := keepOwner(file, old); err != nil {
			return err
		}
	}
	return file.Sync()
}

// writable returns the file to replace, nil if it does not exist. It returns an error for a
// read-only file, although the folder would allow the replacement.
func writable(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file: choose another with --kubeconfig or $KUBECONFIG")
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return info, file.Close()
}

// follow returns the target of a path after all symbolic links. The target need not exist.
func follow(path string) (string, error) {
	const most = 40 // Linux's limit, path_resolution(7)
	at := path
	for range most {
		next, err := os.Readlink(at)
		if err != nil {
			return at, nil // not a link, or it does not exist
		}
		if !filepath.IsAbs(next) {
			folder, err := filepath.EvalSymlinks(filepath.Dir(at))
			if err != nil {
				return "", err
			}
			next = filepath.Join(folder, next)
		}
		at = next
	}
	return "", fmt.Errorf("following %s: too many symbolic links", path)
}
