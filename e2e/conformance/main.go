// Command conformance runs Kubernetes' own conformance tests on a cluster of mkube. It builds the
// tests and their images from the sources of the same release, creates the cluster, and prints how
// many specs ran, passed and failed. Its exit code is 0 only if all chosen specs passed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// clusterName is the cluster that the suite runs on.
const clusterName = "conformance"

// folder is the folder of this program in a clone. mkube runs there, because the paths in the
// configuration are relative to it.
const folder = "e2e/conformance"

type conformance struct {
	mkube, config, image string
	labels, focus        string
	procs, attempts      int
	keep                 bool
	cache, out           string
	log                  io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := conformance{log: os.Stderr}
	flag.StringVar(&c.mkube, "mkube", "bin/mkube", "the mkube to test")
	flag.StringVar(&c.config, "config", folder+"/cluster.yaml", "the configuration of the cluster")
	flag.StringVar(&c.image, "image", "", "the node image; empty means the configuration's")
	flag.StringVar(&c.labels, "labels", "Conformance", "which specs, by Ginkgo's labels: 'Conformance && !Serial' leaves out those that run alone")
	flag.StringVar(&c.focus, "focus", "", "only specs whose name matches this regular expression")
	flag.IntVar(&c.procs, "procs", 20, "how many specs run at once: they wait more than they work")
	flag.IntVar(&c.attempts, "attempts", 1, "how often a spec may be tried until it passes; those that needed more than one are named")
	flag.BoolVar(&c.keep, "keep", false, "leave the cluster; the next run takes it as it is")
	flag.StringVar(&c.out, "out", "bin/conformance", "where the report goes")
	flag.Parse()
	if err := c.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func (c conformance) run(ctx context.Context, results io.Writer) (err error) {
	if err := c.absolute(); err != nil {
		return err
	}
	p, err := c.build(ctx)
	if err != nil {
		return err
	}
	images, err := c.images(ctx, p)
	if err != nil {
		return err
	}
	if !c.keep {
		defer func() { err = errors.Join(err, c.delete(context.WithoutCancel(ctx))) }()
	}
	if err := c.create(ctx, p, images); err != nil {
		return err
	}
	start := time.Now()
	suite := c.suite(ctx, p)
	report, err := readReport(filepath.Join(c.out, reportFile))
	if err != nil {
		return errors.Join(suite, err)
	}
	report.print(results, time.Since(start))
	return errors.Join(report.check(), suite)
}

// absolute makes all paths absolute, because programs run in several folders, and creates the
// folders.
func (c *conformance) absolute() error {
	dir, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	c.cache = filepath.Join(dir, "mkube", "conformance")
	for _, path := range []*string{&c.mkube, &c.config, &c.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return errors.Join(os.MkdirAll(c.cache, 0o755), os.MkdirAll(c.out, 0o755))
}

// reportFile is the file with Ginkgo's report about every spec.
const reportFile = "report.json"

// suite runs the specs. Specs that cannot share the cluster run one by one after all others.
//
// The specs run with lower priority than the nodes. To the kernel's scheduler, all containers of
// an engine together count as one process next to them. A node without processor time makes those
// specs fail that immediately check what they have just written.
func (c conformance) suite(ctx context.Context, p programs) error {
	cmd := exec.CommandContext(ctx, "nice", "-n", "10", p.path("ginkgo"),
		fmt.Sprintf("--procs=%d", c.procs), fmt.Sprintf("--flake-attempts=%d", c.attempts), "--timeout=4h", "--silence-skips", "--no-color",
		"--label-filter="+c.labels, "--focus="+c.focus,
		"--output-dir="+c.out, "--json-report="+reportFile,
		p.path("e2e.test"), "--",
		"--provider=skeleton", "--kubeconfig="+c.kubeconfig(), "--kubectl-path="+c.kubectl())
	// After an interrupt, the suite still deletes what its specs created, and writes a report.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := os.RemoveAll(filepath.Join(c.out, reportFile)); err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running the suite: %w", err)
	}
	return nil
}
