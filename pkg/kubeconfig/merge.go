package kubeconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Merge adds an entry to the user's kubeconfig, which is one or more files (see Paths). It returns
// the path of the file that then contains the entry's context.
//
// If a file contains a stanza with the entry's name, Merge replaces it in the first such file. It
// adds a new stanza to the first file that exists, or to the last file if none exists. If
// switchContext is set, the entry's context becomes the current one, in that same default file. A
// missing file is created with mode 0600, its folders with 0700.
//
// Merge uses the locks of kubectl, so it is safe for concurrent use by processes and goroutines. It
// waits for locks until ctx ends, but five seconds at most. If the error is about the content of a
// file, nothing was written.
func Merge(ctx context.Context, paths []string, e Entry, switchContext bool) (path string, err error) {
	if len(paths) == 0 {
		return "", errors.New("merging a kubeconfig entry: no file to put it in")
	}
	if err := e.check(); err != nil {
		return "", err
	}
	for {
		if err := ctx.Err(); err != nil {
			return "", fmt.Errorf("merging kubeconfig entry %q: %w", e.Name, err)
		}
		// Merge must read the files to know which of them to lock. Then it reads them again under
		// the lock.
		p, _, err := place(paths, e.Name, switchContext)
		if err != nil {
			return "", err
		}
		done, err := mergeAt(ctx, paths, e, p)
		if err != nil {
			return "", err
		}
		if done {
			return p.file(contexts), nil
		}
	}
}

// mergeAt returns done false if the places of the stanzas changed before their files were locked.
func mergeAt(ctx context.Context, paths []string, e Entry, p placement) (done bool, err error) {
	unlock, err := lock(ctx, p.files())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	now, docs, err := place(paths, e.Name, p.current != "")
	if err != nil || now != p {
		return false, err
	}
	for i, s := range sections {
		if err := docs[p.sections[i]].setEntry(s, e); err != nil {
			return false, fmt.Errorf("changing kubeconfig %s: %w", p.sections[i], err)
		}
	}
	if p.current != "" {
		docs[p.current].setCurrentContext(e.Name)
	}
	return true, save(docs, p.files(), e.Name)
}

// save writes the files that have changed. It encodes all of them before it writes the first.
func save(docs map[string]*document, paths []string, name string) error {
	encoded := map[string][]byte{}
	for _, path := range paths {
		data, err := docs[path].encode(name)
		if err != nil {
			return fmt.Errorf("changing kubeconfig %s: %w", path, err)
		}
		encoded[path] = data
	}
	for _, path := range paths {
		if bytes.Equal(encoded[path], docs[path].source) {
			continue
		}
		if err := write(path, encoded[path]); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the context, cluster and user with this name from every file, and the current
// context if it has this name. It neither locks nor writes a missing file, or a file with nothing
// to remove. If a file cannot be read or written, Remove continues with the next one. The error
// names all such files.
func Remove(ctx context.Context, paths []string, name string) error {
	var errs []error
	for _, path := range paths {
		errs = append(errs, removeFrom(ctx, path, name))
	}
	return errors.Join(errs...)
}

func removeFrom(ctx context.Context, path, name string) (err error) {
	doc, err := read(path)
	if err != nil || !doc.mentions(name) {
		return err
	}
	unlock, err := lock(ctx, []string{path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	doc, err = read(path)
	if err != nil || !doc.mentions(name) {
		return err
	}
	doc.remove(name)
	return save(map[string]*document{path: doc}, []string{path}, name)
}

// A placement assigns a file to each part of an entry.
type placement struct {
	sections [len(sections)]string
	current  string // for the current context; empty if that must not change
}

// place returns the placement of an entry, and the current files by their path.
func place(paths []string, name string, switchContext bool) (placement, map[string]*document, error) {
	var p placement
	fallback := defaultPath(paths)
	for i := range p.sections {
		p.sections[i] = fallback
	}
	if switchContext {
		p.current = fallback
	}
	docs := map[string]*document{}
	var errs []error
	for _, path := range slices.Backward(paths) { // backward, so that the first file with the stanza is used
		doc, err := read(path)
		errs = append(errs, err)
		if err != nil {
			continue
		}
		docs[path] = doc
		for i, s := range sections {
			if doc.holds(s, name) {
				p.sections[i] = path
			}
		}
	}
	slices.Reverse(errs)
	return p, docs, errors.Join(errs...)
}

func (p placement) file(s section) string {
	return p.sections[slices.Index(sections[:], s)]
}

// files returns all files of the placement, sorted.
func (p placement) files() []string {
	files := p.sections[:]
	if p.current != "" {
		files = append(files, p.current)
	}
	return slices.Compact(slices.Sorted(slices.Values(files)))
}
