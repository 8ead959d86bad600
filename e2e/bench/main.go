// Command bench measures mkube on this machine, in one run: the floor (etcd and kube-apiserver
// alone), a create until the cluster is usable, a delete, the size of the image, the disk of a
// node, and the cost of an idle node. Floor and create alternate, so that their ratio is
// meaningful on a noisy machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := bench{}
	flag.StringVar(&b.mkube, "mkube", "bin/mkube", "the mkube to measure")
	flag.StringVar(&b.image, "image", "mkube/node:v1.37.2", "the node image to measure")
	flag.IntVar(&b.runs, "runs", 5, "how many creates, floors and deletes")
	flag.BoolVar(&b.nodes, "nodes", true, "create clusters of several nodes as well")
	flag.DurationVar(&b.idle, "idle", time.Minute, "how long an idle node is watched; 0 leaves that out")
	flag.StringVar(&b.check, "check", "", "fail when a bar is missed: all, or size for those that a busy machine cannot miss")
	flag.Parse()
	if b.check != "" && b.check != "all" && b.check != "size" {
		fmt.Fprintln(os.Stderr, "bench: --check is all or size")
		os.Exit(2)
	}
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// The limits that a run is checked against.
const (
	barCreate = 3.0                     // times the floor
	barNodes  = 1.6                     // times the create of one node: with two workers
	barHA     = 2.0                     // times the create of one node: three control planes and a load balancer
	barDelete = 1500 * time.Millisecond // at most
	barImage  = 520e6                   // bytes
	barVar    = 40e6                    // bytes of a new node's /var, without etcd's data
)

// clusterName is the cluster that is created and deleted. If the user has a cluster of that name,
// create refuses, so it is not touched.
const clusterName = "mkube-bench"

type bench struct {
	mkube, image string
	runs         int
	nodes        bool
	idle         time.Duration
	check        string
}

// figures are the results of the measurements.
type figures struct {
	floor, create, remove []time.Duration
	nodes, ha             []time.Duration // creates of several nodes
	image, varSize        int64
	idleMemory            int64
	idleCPU               float64 // of one core
}

func (b bench) run(ctx context.Context) error {
	binary, cleanUp, err := extractBinary(ctx, b.image)
	if err != nil {
		return err
	}
	defer cleanUp()
	var f figures
	if f.image, err = imageSize(ctx, b.image); err != nil {
		return err
	}
	for i := range b.runs {
		if err := b.round(ctx, binary, &f, i == b.runs-1); err != nil {
			return err
		}
	}
	if err := f.print(os.Stdout); err != nil {
		return err
	}
	switch b.check {
	case "all":
		return errors.Join(f.slow(), f.large())
	case "size":
		return f.large()
	}
	return nil
}

// round is one floor, one create and one delete. In the last round, it measures the node before
// the delete.
func (b bench) round(ctx context.Context, binary string, f *figures, last bool) (err error) {
	d, err := floor(ctx, binary)
	if err != nil {
		return fmt.Errorf("measuring the floor: %w", err)
	}
	f.floor = append(f.floor, d)
	if d, err = b.timed(ctx, "create", "cluster", "--name", clusterName, "--image", b.image, "--progress", "plain", "--kubeconfig", filepath.Join(filepath.Dir(binary), "kubeconfig")); err != nil {
		return err
	}
	f.create = append(f.create, d)
	if last {
		if err := b.look(ctx, f); err != nil {
			return err
		}
	}
	if d, err = b.timed(ctx, "delete", "cluster", "--name", clusterName, "--kubeconfig", filepath.Join(filepath.Dir(binary), "kubeconfig")); err != nil {
		return err
	}
	f.remove = append(f.remove, d)
	if b.nodes {
		if err := b.several(ctx, f, filepath.Dir(binary)); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "floor %.2f s, create %.2f s, delete %.2f s\n", last3(f.floor), last3(f.create), last3(f.remove))
	return nil
}

// several creates and deletes clusters of several nodes, in the same round as a cluster of one
// node, so that their ratio is meaningful.
func (b bench) several(ctx context.Context, f *figures, dir string) error {
	for _, c := range []struct {
		into *[]time.Duration
		flag []string
	}{{&f.nodes, []string{"--workers", "2"}}, {&f.ha, []string{"--control-planes", "3"}}} {
		args := []string{"create", "cluster", "--name", clusterName, "--image", b.image, "--progress", "plain", "--kubeconfig", filepath.Join(dir, "kubeconfig")}
		d, err := b.timed(ctx, append(args, c.flag...)...)
		if err != nil {
			return err
		}
		*c.into = append(*c.into, d)
		if _, err := b.timed(ctx, "delete", "cluster", "--name", clusterName, "--kubeconfig", filepath.Join(dir, "kubeconfig")); err != nil {
			return err
		}
	}
	return nil
}

func last3(d []time.Duration) float64 { return d[len(d)-1].Seconds() }

// timed runs mkube and returns the duration of the whole process.
func (b bench) timed(ctx context.Context, args ...string) (time.Duration, error) {
	start := time.Now()
	out, err := exec.CommandContext(ctx, b.mkube, args...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("running mkube %v: %w\n%s", args[:2], err, out)
	}
	return time.Since(start), nil
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
