package kubeconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Merge puts an entry into the user's kubeconfig, which is one or more files (see
// Paths), and gives the file that holds its context then. A stanza of its name is
// replaced in the file that has it, the first to win; a new one goes to the first
// file that exists, else to the last. With switchContext its context becomes the
// current one, in that same default file. A missing file is made with mode 0600,
// its folders with 0700.
//
// It works under kubectl's locks, so many processes and goroutines may call it at
// once. A lock is waited for until ctx ends, five seconds at most. On an error
// about what a file holds, nothing is written.
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
		// Which files to lock is known only once they were read; then, under the
		// lock, they are read again.
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

// mergeAt reports false if the stanzas' places changed before their files were locked.
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
		if err := docs[p.sections[i]].put(s, e); err != nil {
			return false, fmt.Errorf("changing kubeconfig %s: %w", p.sections[i], err)
		}
	}
	if p.current != "" {
		docs[p.current].setCurrentContext(e.Name)
	}
	return true, save(docs, p.files(), e.Name)
}

// save writes the files that changed, none before all are known to be writable as
// YAML.
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

// Remove takes the context, cluster and user of a name out of every one of the
// files, and the current context if it is of that name. A file with nothing to
// remove, a missing one too, is neither locked nor written. It goes on after a
// file that it cannot read or write; the error names each.
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

// A placement is which file each part of an entry belongs in.
type placement struct {
	sections [len(sections)]string
	current  string // of the current context; empty if that is not to be changed
}

// place also gives the files as they are, by their path.
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
	for _, path := range slices.Backward(paths) { // so that the first to hold it stays
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

// files are all that the placement names, sorted.
func (p placement) files() []string {
	files := p.sections[:]
	if p.current != "" {
		files = append(files, p.current)
	}
	return slices.Compact(slices.Sorted(slices.Values(files)))
}
