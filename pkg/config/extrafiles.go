package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"unicode/utf8"
)

// WithFiles returns the cluster with the contents of extraFiles instead of their paths on this host.
// So the configuration on the control planes contains everything that a new node needs. The error
// contains every mistake, a line each. The receiver and what it points to are not changed.
func (c Cluster) WithFiles() (Cluster, error) {
	c.ExtraFiles = cloneLists(c.ExtraFiles)
	var errs []error
	for _, component := range slices.Sorted(maps.Keys(c.ExtraFiles)) {
		for i, f := range c.ExtraFiles[component] {
			if f.HostPath == "" || f.Content != nil {
				continue
			}
			text, err := readFile(f.HostPath)
			if err != nil {
				at := fieldPath(itemPath(keyPath("extraFiles", component), i), "hostPath")
				errs = append(errs, fmt.Errorf("%s %s %w", at, quote(f.HostPath), err))
				continue
			}
			c.ExtraFiles[component][i] = ExtraFile{Content: &text, Path: f.Path}
		}
	}
	return c, errors.Join(errs...)
}

// readFile reads a text file of this host. The error continues a sentence about the file.
func readFile(name string) (string, error) {
	info, err := os.Stat(name) // before it is opened, because opening a pipe may block
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("does not exist on this host")
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return "", errors.New("is not a regular file")
	}
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	case len(data) > maxFile:
		return "", errors.New("is larger than 1 MiB")
	case !utf8.Valid(data):
		return "", errors.New("is not a text in UTF-8")
	}
	return string(data), nil
}
