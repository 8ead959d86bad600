package external

import "time"

// Limited is a provider whose calls may all take this long.
func Limited(p *Provider, most time.Duration) *Provider {
	return &Provider{p.program, p.dir, func(string) time.Duration { return most }}
}

// Limit is how long a call of a method may take.
var Limit = limit
