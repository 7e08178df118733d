"""The launcher brings a whole brokerage up on one bare machine.

It brings PostgreSQL and Redis from wheels, starts every process of one copy in order, keeps them
alive and stops them together. A real deployment does not need it: each process also starts alone.
"""
