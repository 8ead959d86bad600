package vagrant

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// dialLimit is the time limit for one attempt to reach a machine. An emulated machine needs
	// seconds for the handshake.
	dialLimit = 20 * time.Second
	// sessions is the maximum number of commands that run on one connection at the same time. sshd
	// allows ten (MaxSessions in sshd_config(5)). The others are for the user.
	sessions = 8
	// pulse is the time between two checks whether a connection works. The answer may take three
	// times as long.
	pulse = 15 * time.Second
)

// A link is the SSH connection to a machine. The first command opens it, all commands use it, and
// it is opened again after a loss.
type link struct {
	name string
	// target returns the address of the machine. refreshAddress gets it from vagrant again, because
	// addresses change when a machine starts.
	target         func() (target, error)
	refreshAddress func(context.Context) error
	slots          chan struct{}
	// dialing is the lock for opening the connection.
	dialing chan struct{}

	mu     sync.Mutex
	client *client
	gone   bool // the machine was destroyed
}

// client is a connection. ended is closed when the connection ends.
type client struct {
	*ssh.Client
	ended chan struct{}
}

func newClient(c *ssh.Client) *client {
	made := &client{c, make(chan struct{})}
	go func() {
		_ = c.Wait() // how it ended does not matter
		close(made.ended)
	}()
	return made
}

// link returns the connection of a cluster's machine. All callers get the same one.
func (p *Provider) link(cluster, name string) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := cluster + "/" + name
	if p.links[key] == nil {
		p.links[key] = &link{
			name: name, slots: make(chan struct{}, sessions), dialing: make(chan struct{}, 1),
			target:         func() (target, error) { return p.target(cluster, name) },
			refreshAddress: func(ctx context.Context) error { return p.learn(ctx, cluster) },
		}
	}
	return p.links[key]
}

// disconnect closes the connections of a cluster because its machines get other addresses.
func (p *Provider) disconnect(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, l := range p.links {
		if key == cluster+"/"+l.name {
			l.hangUp()
		}
	}
}

// forget closes the connections of a cluster, before its machines are destroyed. They are not
// opened again.
func (p *Provider) forget(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, l := range p.links {
		if key == cluster+"/"+l.name {
			l.close()
			delete(p.links, key)
		}
	}
}

// drop closes the connection of one machine that was destroyed. It is not opened again.
func (p *Provider) drop(cluster, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := cluster + "/" + name
	if l := p.links[key]; l != nil {
		l.close()
		delete(p.links, key)
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	if l.client != nil {
		_ = l.client.Close() // it may have ended
	}
}

// hangUp closes the connection. The next command opens a new one.
func (l *link) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		_ = l.client.Close() // it may have ended
		l.client = nil
	}
}

// session opens a session. done closes it and frees its slot. If the connection was lost, session
// opens it again once: no command has run by then.
func (l *link) session(ctx context.Context) (s *ssh.Session, done func(), err error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	for range 2 {
		var c *client
		if c, err = l.open(ctx); err != nil {
			break
		}
		if s, err = newSession(ctx, c); err == nil {
			return s, func() { _ = s.Close(); <-l.slots }, nil // the command may have ended the session
		}
		if ctx.Err() != nil {
			break
		}
		l.lose(c)
	}
	<-l.slots
	return nil, nil, errors.Join(ctx.Err(), err)
}

// newSession opens a session of a client that may not answer any more: NewSession in package ssh
// waits forever if the connection ends at the same moment.
func newSession(ctx context.Context, c *client) (*ssh.Session, error) {
	type result struct {
		session *ssh.Session
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := c.NewSession()
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		return r.session, r.err
	case <-c.ended:
		return nil, errors.New("the connection was lost")
	case <-ctx.Done():
		// Other commands use the connection, so only the session is closed, once it is open.
		go func() {
			if r := <-opened; r.err == nil {
				_ = r.session.Close() // nothing uses it, so its error does not matter
			}
		}()
		return nil, ctx.Err()
	}
}

// lose closes a connection that does not work, so that the next command opens a new one.
func (l *link) lose(c *client) {
	_ = c.Close() // it may have ended
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == c {
		l.client = nil
	}
}

// open returns the connection, and opens it if necessary. If the machine is not at its address,
// open gets the address from vagrant again.
func (l *link) open(ctx context.Context) (*client, error) {
	select {
	case l.dialing <- struct{}{}:
		defer func() { <-l.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c, err := l.current(); c != nil || err != nil {
		return c, err
	}
	c, err := l.dial(ctx)
	if err != nil && ctx.Err() == nil {
		if refreshErr := l.refreshAddress(ctx); refreshErr == nil {
			c, err = l.dial(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("node %s is not reachable, and may not be running: mkube start cluster starts it (%w)", l.name, errors.Join(ctx.Err(), err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = c
	go l.watch(c)
	return c, nil
}

// current returns the open connection, nil if there is none.
func (l *link) current() (*client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, fmt.Errorf("node %s was deleted", l.name)
	}
	return l.client, nil
}

func (l *link) dial(ctx context.Context) (*client, error) {
	t, err := l.target()
	if err != nil {
		return nil, err
	}
	config, err := t.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a handshake without an answer does not end
	c, channels, requests, err := ssh.NewClientConn(conn, t.address, config)
	if err != nil {
		_ = conn.Close() // err is the cause
		return nil, fmt.Errorf("connecting to %s: %w", t.address, err)
	}
	return newClient(ssh.NewClient(c, channels, requests)), nil
}

// watch ends a connection if its other end does not answer any more, so that its commands end too.
func (l *link) watch(c *client) {
	for {
		select {
		case <-c.ended:
			l.lose(c)
			return
		case <-time.After(pulse):
		}
		answered := make(chan struct{})
		go func() {
			_, _, _ = c.SendRequest("keepalive@openssh.com", true, nil) // after an error, Wait returns too
			close(answered)
		}()
		select {
		case <-answered:
		case <-c.ended:
		case <-time.After(3 * pulse):
			l.lose(c)
			return
		}
	}
}
