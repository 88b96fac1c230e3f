// Stands for the package that finds the addon, where `npm run coverage` pretends that there is none.
throw new Error('the addon was asked for by a room that has no use for it');
