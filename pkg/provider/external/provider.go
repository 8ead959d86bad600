// Package external creates nodes with a program of another author. mkube exchanges JSON with it on
// its standard input and output: docs/provider-protocol.md.
package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Provider creates nodes with a program. It is safe for concurrent use.
type Provider struct {
	program, dir string
	// limit returns the time limit of a call of a method, 0 for none.
	limit func(method string) time.Duration
}

var (
	_ provider.Provider = (*Provider)(nil)
	_ provider.Changer  = (*Provider)(nil)
	_ provider.Stopper  = (*Provider)(nil)
	_ provider.Starter  = (*Provider)(nil)
)

// New returns the provider that runs a program. dir contains a folder for each of its clusters; it
// need not exist.
func New(program, dir string) *Provider { return &Provider{program, dir, limit} }

// request returns a request about a cluster.
func (p *Provider) request(method, cluster string) Request {
	return Request{Protocol: Version, Method: method, Cluster: cluster, Dir: p.folder(cluster)}
}

// folder returns the folder of a cluster, "" for an invalid name.
func (p *Provider) folder(cluster string) string {
	if cluster == "" || strings.HasPrefix(cluster, ".") || strings.ContainsAny(cluster, `/\`) {
		return ""
	}
	return filepath.Join(p.dir, cluster)
}

func (p *Provider) exists(cluster string) bool {
	dir := p.folder(cluster)
	_, err := os.Stat(dir)
	return dir != "" && err == nil
}

// Check returns what the program reports. An error reply, or a failed call, is a problem too.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) []provider.Problem {
	r := p.request("check", cfg.Name)
	r.Config, r.Names = &cfg, cfg.NodeNames()
	var found []provider.Problem
	err := p.call(ctx, r, nil, func(reply Reply) error {
		if reply.Warning != "" {
			found = append(found, provider.Warn(provider.CheckProvider, errors.New(reply.Warning))...)
		}
		return nil
	})
	return append(found, provider.Refuse(provider.CheckProvider, err)...)
}

// Create creates the cluster's folder and boots nodes with the program.
func (p *Provider) Create(ctx context.Context, cfg config.Cluster, creation string, seed provider.Seed) ([]provider.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	err := os.Mkdir(p.folder(cfg.Name), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cluster %s %w: mkube delete cluster --name %[1]s deletes what is left of it", cfg.Name, provider.ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the cluster's folder: %w", err)
	}
	if err := p.note(cfg.Name, "", creation); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.folder(cfg.Name)))
	}
	r := p.request("create", cfg.Name)
	r.Config, r.Names = &cfg, cfg.NodeNames()
	return p.boot(ctx, r, allOf(cfg), seed)
}

// Add boots one more node with the program.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed provider.Seed) (provider.Node, error) {
	name := cfg.NodeNames()[i]
	release, err := p.claim(cfg.Name, name)
	if err != nil {
		return nil, err
	}
	defer release()
	nodes, err := p.Nodes(ctx, cfg.Name)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(nodes, func(n provider.Node) bool { return n.Name() == name }) {
		return nil, fmt.Errorf("node %s %w", name, provider.ErrExists)
	}
	if err := p.note(cfg.Name, name, creation); err != nil {
		return nil, err
	}
	r := p.request("add", cfg.Name)
	r.Config, r.Names, r.Index = &cfg, cfg.NodeNames(), i
	added, err := p.boot(ctx, r, allOf(cfg)[i:i+1], seed)
	if err != nil {
		return nil, err
	}
	return added[0], nil
}

// boot creates nodes: the program names them, reads their files, and boots them.
func (p *Provider) boot(ctx context.Context, r Request, want []wanted, seed provider.Seed) ([]provider.Node, error) {
	var nodes []provider.Node
	var unread error
	err := p.exchange(ctx, r, nil, func(reply Reply, stdin io.WriteCloser) error {
		if reply.Nodes == nil {
			return nil
		}
		if nodes != nil {
			return p.failed(r.Method, errTwice)
		}
		list, errs := asWanted(reply.Nodes, want, r.Config.Networking)
		if len(errs) > 0 {
			return p.failed(r.Method, errs...)
		}
		nodes = p.nodes(r.Cluster, list)
		line, err := seedLine(nodes, seed)
		if err != nil {
			_ = stdin.Close() // the end of the input ends the program; err is the cause
			return err
		}
		// If the program has ended, its own error explains more than a broken pipe.
		_, unread = stdin.Write(line)
		return nil
	})
	switch {
	case err != nil:
	case nodes == nil:
		err = p.failed(r.Method, errors.New("it ended without naming its nodes"))
	case unread != nil:
		err = p.failed(r.Method, errors.New("it ended before it had read the files of its nodes"))
	}
	return nodes, err
}

// seedLine returns the second line of the input, with an archive for each node. An archive may be
// empty.
func seedLine(nodes []provider.Node, seed provider.Seed) ([]byte, error) {
	files, err := seed(nodes)
	if err != nil {
		return nil, err
	}
	s := Seed{Files: map[string][]byte{}}
	for _, n := range nodes {
		var archive bytes.Buffer
		if err := provider.Archive(&archive, files[n.Name()]); err != nil {
			return nil, err
		}
		s.Files[n.Name()] = archive.Bytes()
	}
	line, err := json.Marshal(s)
	return append(line, '\n'), err
}

// Nodes returns the nodes that the program reports, none if the cluster has no folder.
func (p *Provider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	if err := ctx.Err(); err != nil || !p.exists(cluster) {
		return nil, err
	}
	var list []Node
	err := p.call(ctx, p.request("nodes", cluster), nil, func(r Reply) error {
		if list != nil && r.Nodes != nil {
			return p.failed("nodes", errTwice)
		}
		if r.Nodes != nil {
			list = r.Nodes
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if errs := plausible(list); len(errs) > 0 {
		return nil, p.failed("nodes", errs...)
	}
	slices.SortStableFunc(list, func(a, b Node) int { return rank(a.Role) - rank(b.Role) })
	return p.nodes(cluster, list), nil
}

// errTwice is the error for a program that replies with nodes more than once.
var errTwice = errors.New("it named its nodes twice")

func rank(r config.Role) int {
	return slices.Index([]config.Role{config.ControlPlane, config.Worker, config.LoadBalancer}, r)
}

// nodes returns reported nodes as nodes of a cluster.
func (p *Provider) nodes(cluster string, list []Node) []provider.Node {
	var nodes []provider.Node
	for _, n := range list {
		nodes = append(nodes, &node{provider: p, cluster: cluster, known: n})
	}
	return nodes
}

// Clusters returns the names of the clusters that have a folder. It does not run the program.
func (p *Provider) Clusters(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && p.folder(e.Name()) != "" {
			names = append(names, e.Name())
		}
	}
	return names, err // ReadDir sorts
}

// Delete deletes the cluster with the program, and removes its folder. If the creation is that of
// an Add, it only removes that node.
func (p *Provider) Delete(ctx context.Context, cluster, creation string) error {
	if err := ctx.Err(); err != nil || !p.exists(cluster) {
		return err
	}
	if creation != "" {
		node, ok, err := p.noted(cluster, creation)
		if err != nil || !ok {
			return err
		}
		if node != "" {
			return p.Remove(ctx, cluster, node)
		}
	}
	if err := p.call(ctx, p.request("delete", cluster), nil, nil); err != nil {
		return err
	}
	return os.RemoveAll(p.folder(cluster))
}

// Remove removes one node with the program.
func (p *Provider) Remove(ctx context.Context, cluster, node string) error {
	r := p.request("remove", cluster)
	r.Node = node
	return p.call(ctx, r, nil, nil)
}

// Stop stops the nodes with the program.
func (p *Provider) Stop(ctx context.Context, cluster string) error {
	return p.call(ctx, p.request("stop", cluster), nil, nil)
}

// Start starts the nodes again with the program. If nodes are named, it starts one after another.
func (p *Provider) Start(ctx context.Context, cluster string, nodes ...string) error {
	if len(nodes) == 0 {
		nodes = []string{""}
	}
	for _, n := range nodes {
		r := p.request("start", cluster)
		r.Node = n
		if err := p.call(ctx, r, nil, nil); err != nil {
			return err
		}
	}
	return nil
}
