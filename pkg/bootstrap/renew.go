package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/apiserver"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Names of the progress steps of a renewal that are not components.
const (
	stepCertificates = "certificates"
	stepPods         = "pods"
)

// RenewCertificates replaces all certificates of a running cluster by new ones, restarts what uses
// them, and waits until its components are ready, for at most o.Wait. An authority that ends before
// the new certificates gets a new certificate, too. If o.Kubeconfig has an entry of the cluster,
// the entry gets a new client certificate. All keys of authorities and service accounts stay.
//
// If the API servers of several control planes answer, they restart one after the other. After an
// error or an interruption, RenewCertificates can be called again. While another command changes
// the cluster, the error is a *state.BusyError. If only the kubeconfig cannot be written, the error
// is a *KubeconfigError.
func RenewCertificates(ctx context.Context, p provider.Provider, name string, o Options) error {
	release, err := state.Hold(ctx, p, name, "renew certificates")
	if err != nil {
		return err
	}
	defer release()
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return err
	}
	WarnOfLeftovers(c, o)
	r, err := newRenewal(c, o, time.Now())
	if err != nil {
		return err
	}
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	r.announce()
	return r.do(ctx)
}

// A renewal is one run of RenewCertificates, or the same work as a part of Start.
type renewal struct {
	// c is the cluster with its new keys.
	c     *cluster.Cluster
	graph component.Graph
	o     Options
	// authorities is set if an authority has a new certificate.
	authorities bool
}

func newRenewal(c *cluster.Cluster, o Options, now time.Time) (*renewal, error) {
	keys, err := c.PKI.Renewed(now)
	if err != nil {
		return nil, err
	}
	r := &renewal{c: cluster.New(c.Config, c.Nodes, keys), graph: Built(c), o: o, authorities: keys != c.PKI}
	r.c.Strays, r.c.Gone, r.c.Stage = c.Strays, c.Gone, c.Stage
	return r, nil
}

// dueRenewal returns the renewal of a cluster with a certificate that has expired, is not valid yet,
// or ends soon. It returns nil if there is none.
func dueRenewal(ctx context.Context, c *cluster.Cluster, o Options) (*renewal, error) {
	now := time.Now()
	r, err := newRenewal(c, o, now)
	if err != nil {
		return nil, err
	}
	// A node that cannot be read is not ready, either: the wait for its components reports that.
	if v, _ := r.graph.Validity(ctx, r.c); !v.Due(now) {
		return nil, ctx.Err()
	}
	return r, nil
}

func (r *renewal) announce() {
	event(r.o, progress.Event{Step: stepCertificates, State: progress.Pending, Short: "new ones on every node, and restarts of what uses them"})
	announceAfter(stepCertificates, r.graph, r.o)
	if r.authorities && r.has(names.KubeControllerManager) {
		event(r.o, progress.Event{Step: stepPods, State: progress.Pending, Short: "restart, to trust the new certificate of the authority", Needs: []string{names.KubeControllerManager}})
	}
}

func (r *renewal) has(component string) bool { return slices.Contains(r.graph.Names(), component) }

func (r *renewal) do(ctx context.Context) error {
	if err := step(r.o, stepCertificates, func() error { return r.replace(ctx) }); err != nil {
		return err
	}
	up := waiting(r.c, r.o)
	up.Renewed = true
	err := run(ctx, r.graph, func(ctx context.Context, comp component.Component, signals component.Signals) error {
		err := up.Do(ctx, comp, signals)
		if err == nil && r.authorities && comp.Name == names.KubeControllerManager {
			err = step(r.o, stepPods, func() error { return restartPods(ctx, r.c) })
		}
		return err
	}, r.o)
	if err != nil {
		return err
	}
	if err := r.keep(ctx); err != nil {
		return err
	}
	if err := r.updateKubeconfig(ctx); err != nil {
		return &KubeconfigError{r.c.Config.Name, err}
	}
	return nil
}

// replace replaces the certificates on all nodes. If all API servers answer, the control planes
// follow one another, so that the cluster continues to work. Otherwise, all nodes are first to get
// new certificates: members of etcd with an expired one do not find each other.
func (r *renewal) replace(ctx context.Context) error {
	if err := sameTime(ctx, r.c.KubernetesNodes()); err != nil {
		return err
	}
	planes := r.c.ControlPlanes()
	var rest []provider.Node
	if len(planes) > 1 && r.allServe(ctx, planes) {
		for _, n := range planes {
			if err := r.on(ctx, n); err != nil {
				return err
			}
			if err := component.Eventually(ctx, func() error { return r.serves(ctx, n) }); err != nil {
				return fmt.Errorf("%s does not work with its new certificates: %w", n.Name(), err)
			}
		}
	} else {
		rest = planes
	}
	for _, n := range r.c.KubernetesNodes() {
		if n.Role() != config.ControlPlane {
			rest = append(rest, n)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range rest {
		g.Go(func() error { return r.on(ctx, n) })
	}
	return g.Wait()
}

// on replaces the certificates on one node, as soon as its container runtime serves.
func (r *renewal) on(ctx context.Context, n provider.Node) error {
	event(r.o, progress.Event{Step: stepCertificates, State: progress.Running, Detail: n.Name()})
	containerd := r.graph[0]
	if err := containerd.Ready(ctx, r.c, n); err != nil {
		return err
	}
	return r.graph.Renew(ctx, r.c, n)
}

func (r *renewal) allServe(ctx context.Context, planes []provider.Node) bool {
	return r.has(names.KubeAPIServer) && !slices.ContainsFunc(planes, func(n provider.Node) bool { return r.serves(ctx, n) != nil })
}

// serves returns nil if etcd and the API server on a control plane answer.
func (r *renewal) serves(ctx context.Context, n provider.Node) error {
	i := slices.Index(r.graph.Names(), names.Etcd)
	if err := r.graph[i].Ready(ctx, r.c, n); err != nil {
		return err
	}
	return apiserver.Answers(ctx, n)
}

// sameTime returns an error if new certificates would not be valid by the clock of a node.
func sameTime(ctx context.Context, nodes []provider.Node) error {
	errs := make([]error, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		g.Go(func() error {
			out, err := provider.Output(ctx, n, "date", "+%s")
			if err != nil {
				return err
			}
			seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			if err != nil {
				return fmt.Errorf("reading the clock of %s: %w", n.Name(), err)
			}
			if here, there := time.Now(), time.Unix(seconds, 0); here.Sub(there).Abs() > pki.Backdate {
				errs[i] = fmt.Errorf("the clock of %s is at %s, and that of this computer at %s: set the clock that is wrong, because new certificates begin and end by it",
					n.Name(), there.UTC().Format(time.RFC3339), here.UTC().Format(time.RFC3339))
			}
			return nil
		})
	}
	return errors.Join(g.Wait(), errors.Join(errs...))
}

// keep writes the certificates of the authorities to the control planes, where other commands read
// them. It does so last: until then, another attempt renews them again, and does all that follows
// from it.
func (r *renewal) keep(ctx context.Context) error {
	files, err := state.Files(r.c)
	if err != nil {
		return err
	}
	return writeToControlPlanes(ctx, r.c, files)
}

// updateKubeconfig writes a new client certificate into the user's entry of the cluster. It does
// nothing if there is no entry, or if the entry is that of another cluster with the same name.
func (r *renewal) updateKubeconfig(ctx context.Context) error {
	if len(r.o.Kubeconfig) == 0 {
		return nil
	}
	old, found, err := kubeconfig.Find(r.o.Kubeconfig, state.ContextName(r.c.Config.Name))
	if err != nil || !found || !r.trusts(old.CA) {
		return err
	}
	return step(r.o, stepKubeconfig, func() error {
		entry, err := state.Entry(ctx, r.c, false)
		if err != nil {
			return err
		}
		entry.Server, entry.TLSServerName = old.Server, old.TLSServerName
		_, err = kubeconfig.Merge(ctx, r.o.Kubeconfig, entry, false)
		return err
	})
}

// trusts reports whether the certificate of an authority has the key of the cluster's authority.
func (r *renewal) trusts(ca []byte) bool {
	theirs, err := pki.ParseCertificates(ca)
	if err != nil {
		return false
	}
	ours, err := pki.ParseCertificates(r.c.PKI.Cluster.CertPEM())
	return err == nil && ours[0].SignedBy(theirs[0])
}
