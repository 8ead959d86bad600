package transfer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// logLimit is the time limit for one log, so that a hanging command does not block the others.
const logLimit = time.Minute

// The logs contain the output of pods, so only their owner may read them.
const (
	logDirMode = 0o700
	logMode    = 0o600
)

// inspector is a node whose provider can write everything that it knows of the node, as JSON.
type inspector interface {
	Inspect(ctx context.Context, w io.Writer) error
}

// A logFile is one file of the exported logs, and the function that writes its content.
type logFile struct {
	path  string
	write func(context.Context, io.Writer) error
}

// ExportLogs writes the logs of a cluster into the folder dir, and creates the folder. Each node
// gets a folder with its console, its journal, and the logs of units and pods. The folder
// "cluster" contains the API server's view. ExportLogs reads from all nodes at the same time. on
// receives the events of the step "logs", and may be nil. ExportLogs returns the number of files
// that it wrote, and joined errors about what it could not read.
func ExportLogs(ctx context.Context, nodes []provider.Node, dir string, on progress.Func) (written int, err error) {
	if err := os.MkdirAll(dir, logDirMode); err != nil {
		return 0, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	x := &exporter{root: root, meter: progress.Meter{On: progress.Tee(on), Steps: []string{stepLogs}}}
	x.meter.On(progress.Event{Step: stepLogs, State: progress.Running, Short: "of the nodes and their pods"})
	var wait sync.WaitGroup
	for _, n := range nodes {
		wait.Go(func() { x.files(ctx, nodeLogs(n)) })
		if n.Role() != config.LoadBalancer {
			wait.Go(func() { x.files(ctx, containerLogs(n)) })
			wait.Go(func() { x.pods(ctx, n) })
		}
	}
	if n, err := state.ControlPlane(ctx, nodes); err == nil {
		wait.Go(func() { x.files(ctx, apiLogs(n)) })
	}
	wait.Wait()
	written = int(x.written.Load())
	end := progress.Event{Step: stepLogs, State: progress.Done, Bytes: x.meter.Bytes()}
	if written == 0 {
		end = progress.Event{Step: stepLogs, State: progress.Failed, Detail: "nothing can be read"}
	}
	x.meter.On(end)
	return written, errors.Join(x.errs...)
}

// stepLogs is the name of the progress step of an export.
const stepLogs = "logs"

// command returns a file of a node with the output of a command there.
func command(n provider.Node, file string, args ...string) logFile {
	return logFile{filepath.Join(n.Name(), file), func(ctx context.Context, w io.Writer) error {
		return n.Run(ctx, provider.Cmd{Args: args, Stdout: w})
	}}
}

// containerLogs returns the files of a node that runs containers, except the logs of its pods.
func containerLogs(n provider.Node) []logFile {
	return []logFile{
		command(n, "kubelet.log", "journalctl", "--no-pager", "--unit", "kubelet.service"),
		command(n, "containerd.log", "journalctl", "--no-pager", "--unit", "containerd.service"),
		command(n, "containers.txt", "crictl", "ps", "--all"),
		command(n, "images.txt", "crictl", "images"),
	}
}

// nodeLogs returns the files of any node.
func nodeLogs(n provider.Node) []logFile {
	list := []logFile{
		{filepath.Join(n.Name(), "console.log"), n.Logs},
		command(n, "journal.log", "journalctl", "--no-pager"),
	}
	if i, ok := provider.As[inspector](n); ok {
		list = append(list, logFile{filepath.Join(n.Name(), "inspect.json"), withoutValues(i.Inspect, indented)})
	}
	return list
}

// apiLogs returns the files with the answers of the API server, from kubectl on a control plane.
func apiLogs(n provider.Node) []logFile {
	var list []logFile
	for _, kind := range []string{"nodes", "pods", "events"} {
		get := func(ctx context.Context, w io.Writer) error {
			return n.Run(ctx, state.Kubectl(provider.Cmd{Stdout: w}, "get", kind, "--all-namespaces", "--output", "json", "--request-timeout", "10s"))
		}
		list = append(list, logFile{filepath.Join("cluster", kind+".yaml"), withoutValues(get, commented)})
	}
	return list
}

// exporter writes the files that it can, and collects the errors. Its methods may be called at the
// same time.
type exporter struct {
	root    *os.Root
	meter   progress.Meter
	written atomic.Int32
	mu      sync.Mutex
	errs    []error
}

func (x *exporter) failed(path string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.errs = append(x.errs, fmt.Errorf("exporting %s: %w", path, err))
}

func (x *exporter) files(ctx context.Context, list []logFile) {
	for _, f := range list {
		if err := x.file(ctx, f); err != nil {
			x.failed(f.path, err)
		}
	}
}

// file writes one file, without the secrets that provider.Redact finds. If the command fails, the
// file keeps the output until then.
func (x *exporter) file(ctx context.Context, f logFile) error {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	if err := x.root.MkdirAll(filepath.Dir(f.path), logDirMode); err != nil {
		return err
	}
	out, err := x.root.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, logMode)
	if err != nil {
		return err
	}
	safe := provider.NewRedactor(x.meter.Writer(out))
	// A file that was there before keeps its mode when it is opened.
	err = errors.Join(out.Chmod(logMode), f.write(ctx, safe), safe.Close(), out.Close())
	if info, statErr := x.root.Stat(f.path); err != nil && statErr == nil && info.Size() == 0 {
		return errors.Join(err, x.root.Remove(f.path))
	}
	x.written.Add(1)
	return err
}

// podLogs is where the kubelet writes the logs of pods, see
// https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-location-node.
const podLogs = "/var/log/pods"

// pods copies the logs of all pods of a node.
func (x *exporter) pods(ctx context.Context, n provider.Node) {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	dir := filepath.Join(n.Name(), "pods")
	archive, to := io.Pipe()
	go func() {
		err := n.Run(ctx, provider.Cmd{Args: []string{"tar", "-C", podLogs, "-cf", "-", "."}, Stdout: to})
		if provider.ExitCode(err) == 1 {
			err = nil // "some files differ": a log grew during the read
		}
		to.CloseWithError(err)
	}()
	if err := x.unpack(ctx, archive, dir); err != nil {
		x.failed(dir, err)
	}
	archive.CloseWithError(errReaderGone)
}

// unpack writes the regular files of an archive into a folder.
func (x *exporter) unpack(ctx context.Context, archive io.Reader, dir string) error {
	for in := tar.NewReader(archive); ; {
		header, err := in.Next()
		if err == io.EOF {
			// The error of the command arrives after the end of the archive.
			_, err = io.Copy(io.Discard, archive)
			return err
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		f := logFile{filepath.Join(dir, header.Name), func(_ context.Context, w io.Writer) error {
			_, err := io.Copy(w, in)
			return err
		}}
		if err := x.file(ctx, f); err != nil {
			return err
		}
	}
}
