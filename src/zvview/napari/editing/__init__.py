"""Editing a store in the window: the tools of its layer become operations of an edit session, which saves them.

``editing`` has what all kinds share. Points are edited in place (``points``, ``tools``), other kinds by handles
(``handles``, ``handle_tools``), lines of a plane as Shapes too (``shapes``). ``closing`` and ``asking`` keep unsaved
edits from getting lost; ``attaching`` and ``commands`` are what the dock and the menus call.
"""
