package transfer

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// importImages imports an archive on a node, see
// https://github.com/containerd/containerd/blob/main/docs/cri/crictl.md#directly-load-a-container-image.
//
// With --local, ctr itself reads the archive. Through containerd's transfer service, 100 MB take
// half as long again. With --discard-unpacked-layers, containerd does not keep the compressed
// layers in addition to the unpacked ones.
var importImages = []string{
	"ctr", "--namespace", "k8s.io", "images", "import", "--local", "--snapshotter", "overlayfs", "--discard-unpacked-layers", "-",
}

// A delivery sends the images of one archive to nodes. The nodes get the files of the images as they
// are, and at the end an index of mkube's own, with exactly one manifest for each name. So the
// archive may have any format, and lack other platforms. An archive that breaks off leaves no name
// on a node, because ctr sets names after it has read the index.
type delivery struct {
	archive *Archive
	// save opens the stream of the archive. It is nil for an archive that exists.
	save  func(context.Context) (io.ReadCloser, error)
	nodes []*nodeImages
	// find returns the images to load.
	find func(*contents) ([]*image, error)
	// short is the description of the steps.
	short string
	// begins is what the nodes wait for at first.
	begins string
	on     progress.Func

	// choices is nil until the images are known: for a stream, until its end.
	choices choices
	meter   *progress.Meter
	mu      sync.Mutex
	over    map[string]bool     // the nodes whose step has ended
	named   map[string][]string // the names that a node has begun to get, by node
	failure error               // why no node gets a complete archive
}

// look chooses the images of an archive that can be read again.
func (d *delivery) look() error {
	c := newContents()
	err := d.archive.each(new(progress.Meter), func(e entry) error { return c.take(e, nobody) })
	if err != nil {
		return readError(err)
	}
	if err := d.choose(c); err != nil || d.archive.folder == nil {
		return err
	}
	for name := range d.needed() {
		d.archive.size += c.files[name].size
	}
	return nil
}

func (d *delivery) choose(c *contents) error {
	images, err := d.find(c)
	if err != nil {
		return err
	}
	d.choices, err = chooseFor(images, d.nodes)
	return err
}

// readError explains an error of reading an archive.
func readError(err error) error {
	switch {
	case errors.Is(err, errReaderGone):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive is cut off: %w", err)
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("it is no tar archive: %w", err)
	}
	return fmt.Errorf("reading the archive: %w", err)
}

// A receiver is a node that gets the archive.
type receiver struct {
	*nodeImages
	to  *io.PipeWriter
	err error
}

// run sends the archive to all nodes at the same time, at the speed of the slowest. If a node fails,
// the others still get the archive. run returns the nodes that have the images.
func (d *delivery) run(ctx context.Context) (have []string, err error) {
	d.meter = &progress.Meter{On: d.emit, Total: d.archive.size}
	d.over, d.named = map[string]bool{}, map[string][]string{}
	receivers := make([]*receiver, len(d.nodes))
	var wait sync.WaitGroup
	for i, n := range d.nodes {
		from, to := io.Pipe()
		r := &receiver{nodeImages: n, to: to}
		receivers[i], d.meter.Steps = r, append(d.meter.Steps, n.node.Name())
		d.emit(progress.Event{Step: n.node.Name(), State: progress.Running, Short: d.short, Detail: d.begins})
		wait.Go(func() {
			r.err = d.receive(ctx, r, from)
			from.CloseWithError(errReaderGone)
		})
	}
	err = d.sendUntil(ctx, receivers)
	for _, r := range receivers {
		r.to.CloseWithError(err) // the error of a node that was late is only a consequence
	}
	wait.Wait()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, r := range receivers {
		if r.err == nil {
			have = append(have, r.node.Name())
		}
		errs = append(errs, r.err)
	}
	return have, errors.Join(errs...)
}

// sendUntil sends the archive, but no longer than until ctx ends: the read of a pipe cannot be
// interrupted.
func (d *delivery) sendUntil(ctx context.Context, receivers []*receiver) error {
	sent := make(chan error, 1)
	go func() { sent <- d.send(ctx, receivers) }()
	var err error
	select {
	case err = <-sent:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(err, errReaderGone) {
		return nil // each node has reported why
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure = err
	return err
}

// send writes the archive to the receivers. A receiver gets the end only after all files were read
// and none of them is damaged.
func (d *delivery) send(ctx context.Context, receivers []*receiver) error {
	if d.save != nil {
		saved, err := d.save(ctx)
		if err != nil {
			return err
		}
		defer saved.Close()
		d.archive.stream = saved
	}
	out := tar.NewWriter(&fan{receivers: slices.Clone(receivers)})
	c, needed := newContents(), d.needed()
	to := files(out, func(name string) bool { return needed == nil || needed[name] })
	if err := d.archive.each(d.meter, func(e entry) error { return c.take(e, to) }); err != nil {
		return readError(err)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if d.choices == nil {
		if err := d.choose(c); err != nil {
			return err
		}
	}
	for _, r := range receivers {
		chosen := d.choices[platformText(r.platform)]
		end, err := ending(c, chosen)
		if err != nil {
			return err
		}
		d.name(r, namesOf(chosen))
		d.emit(progress.Event{Step: r.node.Name(), State: progress.Running, Detail: "unpacking", Bytes: d.meter.Bytes()})
		_, _ = r.to.Write(end) // it fails if the node has failed, which reports why
	}
	return nil
}

// needed returns the paths of the files that some node needs, or nil if that is not known.
func (d *delivery) needed() map[string]bool {
	if d.choices == nil {
		return nil
	}
	paths := map[string]bool{}
	for _, chosen := range d.choices {
		for _, s := range chosen {
			for _, name := range s.variant.files() {
				paths[name] = true
			}
		}
	}
	return paths
}

// files returns a writerFor that adds files to an archive under names of its own. containerd
// continues an import that was interrupted by the name of a file, whatever its content is.
func files(out *tar.Writer, needed func(name string) bool) writerFor {
	folder, n := rand.Text(), 0
	return func(name string, size int64) (io.Writer, error) {
		if !needed(name) {
			return nil, nil
		}
		n++
		return out, out.WriteHeader(&tar.Header{Name: fmt.Sprintf("%s/%d", folder, n), Mode: 0o600, Size: size})
	}
}

// receive imports the archive on a node, and emits the last event of its step.
func (d *delivery) receive(ctx context.Context, r *receiver, from io.Reader) error {
	err := r.node.Run(ctx, provider.Cmd{Args: importImages, Stdin: from})
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
		// The lines before the last are containerd's warnings about the host.
		reason := exit.Reason()
		err = errors.New(reason[strings.LastIndexByte(reason, '\n')+1:])
	}
	if err == nil {
		d.emit(progress.Event{Step: r.node.Name(), State: progress.Done, Bytes: d.meter.Bytes()})
		return nil
	}
	if undoErr := r.undo(ctx, d.namesOn(r)); undoErr != nil {
		err = fmt.Errorf("%w; removing what is incomplete: %w", err, undoErr)
	}
	err = fmt.Errorf("loading into %s: %w", r.node.Name(), err)
	d.emit(progress.Event{Step: r.node.Name(), State: progress.Failed, Detail: d.reason(err).Error()})
	return err
}

// reason returns the error of the whole delivery, of which the error of a node is a consequence, or
// else the error of the node.
func (d *delivery) reason(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failure != nil {
		return d.failure
	}
	return err
}

// name remembers the names that a node is about to get.
func (d *delivery) name(r *receiver, names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.named[r.node.Name()] = names
}

func (d *delivery) namesOn(r *receiver) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.named[r.node.Name()]
}

// emit passes on an event, unless the step has ended.
func (d *delivery) emit(e progress.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.on == nil || d.over[e.Step] {
		return
	}
	d.over[e.Step] = e.State != progress.Running
	d.on(e)
}

// errReaderGone is the error of a write after the reader has ended.
var errReaderGone = errors.New("the reader has ended")

// fan writes to all receivers that still read.
type fan struct{ receivers []*receiver }

func (f *fan) Write(p []byte) (int, error) {
	f.receivers = slices.DeleteFunc(f.receivers, func(r *receiver) bool {
		_, err := r.to.Write(p)
		return err != nil
	})
	if len(f.receivers) == 0 {
		return 0, errReaderGone
	}
	return len(p), nil
}
