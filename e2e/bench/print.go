package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// print writes the figures as a table, medians first.
func (f figures) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tmedian\tmin\tmax\ttimes the floor\tbar")
	row := func(name string, d []time.Duration, bar string) {
		lowest, highest := d[0], d[0]
		for _, v := range d {
			lowest, highest = min(lowest, v), max(highest, v)
		}
		fmt.Fprintf(t, "%s\t%.2f s\t%.2f s\t%.2f s\t%.2f\t%s\n", name,
			median(d).Seconds(), lowest.Seconds(), highest.Seconds(), median(d).Seconds()/median(f.floor).Seconds(), bar)
	}
	row("floor: etcd + kube-apiserver to /readyz", f.floor, "")
	row("create until usable", f.create, fmt.Sprintf("%.1f times the floor", barCreate))
	if len(f.nodes) > 0 {
		one := median(f.create).Seconds()
		row("create with 2 workers", f.nodes, fmt.Sprintf("%.2f times one node; %.1f", median(f.nodes).Seconds()/one, barNodes))
		row("create with 3 control planes", f.ha, fmt.Sprintf("%.2f times one node; %.1f", median(f.ha).Seconds()/one, barHA))
	}
	row("delete", f.remove, fmt.Sprintf("%.1f s", barDelete.Seconds()))
	fmt.Fprintf(t, "image\t%.0f MB\t\t\t\t%.0f MB\n", float64(f.image)/1e6, barImage/1e6)
	fmt.Fprintf(t, "/var of a fresh node, without etcd's data\t%.1f MB\t\t\t\t%.0f MB\n", float64(f.varSize)/1e6, barVar/1e6)
	if f.idleMemory > 0 {
		fmt.Fprintf(t, "idle memory\t%.0f MiB\t\t\t\t\n", float64(f.idleMemory)/(1<<20))
		fmt.Fprintf(t, "idle CPU\t%.1f%% of a core\t\t\t\t\n", 100*f.idleCPU)
	}
	return t.Flush()
}

// slow returns an error with the limits of time that were exceeded.
func (f figures) slow() error {
	var errs []error
	if ratio := median(f.create).Seconds() / median(f.floor).Seconds(); ratio > barCreate {
		errs = append(errs, fmt.Errorf("create took %.2f times the floor, more than %.1f", ratio, barCreate))
	}
	for _, several := range []struct {
		name string
		took []time.Duration
		bar  float64
	}{{"a create with 2 workers", f.nodes, barNodes}, {"a create with 3 control planes", f.ha, barHA}} {
		if len(several.took) == 0 {
			continue
		}
		if ratio := median(several.took).Seconds() / median(f.create).Seconds(); ratio > several.bar {
			errs = append(errs, fmt.Errorf("%s took %.2f times that of one node, more than %.1f", several.name, ratio, several.bar))
		}
	}
	if d := median(f.remove); d > barDelete {
		errs = append(errs, fmt.Errorf("delete took %s, more than %s", d.Round(time.Millisecond), barDelete))
	}
	return errors.Join(errs...)
}

// large returns an error with the limits of size that were exceeded.
func (f figures) large() error {
	var errs []error
	if float64(f.image) > barImage {
		errs = append(errs, fmt.Errorf("the image is %d bytes, more than %.0f", f.image, barImage))
	}
	if float64(f.varSize) > barVar {
		errs = append(errs, fmt.Errorf("/var of a fresh node is %d bytes, more than %.0f", f.varSize, barVar))
	}
	return errors.Join(errs...)
}
