package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// Loaded is what was loaded from an archive.
type Loaded struct {
	// Names lists the names of the images, and Unnamed the IDs of images without a name. A pod can
	// use both.
	Names, Unnamed []string
	// Nodes lists the nodes that have the images.
	Nodes []string
}

// LoadArchives loads archives into nodes, one after the other. If a file or folder is broken, or an
// image in it cannot run on a node, LoadArchives loads nothing. The images of a stream, and of a
// compressed file, are known only at its end: then the nodes keep nothing of that archive. on
// receives an event for each node and archive, and may be nil. done is called after each archive
// that some node has.
func LoadArchives(ctx context.Context, archives []*Archive, nodes []provider.Node, on progress.Func, done func(*Archive, Loaded)) error {
	there, err := imagesOnAll(ctx, nodes)
	if err != nil {
		return err
	}
	var deliveries []*delivery
	var errs []error
	for _, a := range archives {
		d := &delivery{archive: a, nodes: there, find: (*contents).images, short: a.Name, on: on}
		deliveries = append(deliveries, d)
		if a.again() {
			errs = append(errs, inArchive(a, d.look()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, d := range deliveries {
		if i > 0 { // the nodes have more images than before
			if d.nodes, err = imagesOnAll(ctx, nodes); err != nil {
				return err
			}
		}
		have, err := d.run(ctx)
		if len(have) > 0 {
			done(d.archive, d.loaded(have))
		}
		if err != nil {
			return inArchive(d.archive, err)
		}
	}
	return nil
}

// inArchive adds the name of the archive to an error, or to each of several.
func inArchive(a *Archive, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, err := range joined.Unwrap() {
			errs = append(errs, inArchive(a, err))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("%s: %w", a.Name, err)
}

// loaded returns what the nodes have.
func (d *delivery) loaded(nodes []string) Loaded {
	l := Loaded{Nodes: nodes}
	for _, chosen := range d.choices {
		for _, s := range chosen {
			text, list := familiar(s.image.name), &l.Names
			if text == "" {
				text, list = s.variant.id, &l.Unnamed
			}
			if !slices.Contains(*list, text) {
				*list = append(*list, text)
			}
		}
	}
	return l
}
