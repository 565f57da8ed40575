package objects

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxConnections bounds what one process holds of the server's connections.
const maxConnections = 8

// pool lends connections, one caller each.
type pool struct {
	cfg   *pgx.ConnConfig
	slots chan struct{}  // one for each connection in use
	idle  chan *pgx.Conn // room for all of them
}

func newPool(cfg *pgx.ConnConfig) *pool {
	return &pool{cfg: cfg, slots: make(chan struct{}, maxConnections), idle: make(chan *pgx.Conn, maxConnections)}
}

// do calls f with a connection. If one that had been idle turns out to be
// dead, f is called again with another: it must be safe to repeat.
func (p *pool) do(ctx context.Context, f func(*pgx.Conn) error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.slots }()
	for {
		conn, reused, err := p.take(ctx)
		if err != nil {
			return err
		}
		err = f(conn)
		if !conn.IsClosed() && !ended(err) {
			p.idle <- conn
			return err
		}
		shut(conn)
		if !reused || ctx.Err() != nil {
			return err
		}
	}
}

func (p *pool) take(ctx context.Context) (conn *pgx.Conn, reused bool, err error) {
	select {
	case conn := <-p.idle:
		return conn, true, nil
	default:
		conn, err := pgx.ConnectConfig(ctx, p.cfg)
		return conn, false, err
	}
}

// ended tells whether the server has said goodbye.
func ended(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pe.SeverityUnlocalized == "FATAL"
}

func shut(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return conn.Close(ctx)
}

// close waits for the connections in use and ends all.
func (p *pool) close() error {
	for range maxConnections {
		p.slots <- struct{}{}
	}
	var errs []error
	for {
		select {
		case conn := <-p.idle:
			errs = append(errs, shut(conn))
		default:
			return errors.Join(errs...)
		}
	}
}
